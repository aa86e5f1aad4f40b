/**
 * `work` of every item, at most `limit` at a time, results in the items' order. After the first error nothing new starts;
 * what runs is awaited, then the first error is thrown.
 */
export async function mapLimit<T, R>(
  items: Iterable<T>,
  limit: number,
  work: (item: T, index: number) => Promise<R>,
): Promise<R[]> {
  if (!(limit >= 1)) throw new RangeError(`a limit of ${limit} runs nothing`);
  const results: R[] = [];
  const rest = items[Symbol.iterator]();
  let count = 0;
  let failed: { readonly error: unknown } | undefined;
  async function worker(): Promise<void> {
    while (failed === undefined) {
      const next = rest.next();
      if (next.done === true) return;
      const index = count++;
      try {
        results[index] = await work(next.value, index);
      } catch (error) {
        failed ??= { error };
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(limit, Array.isArray(items) ? items.length : limit) }, worker));
  if (failed !== undefined) throw failed.error;
  return results;
}
