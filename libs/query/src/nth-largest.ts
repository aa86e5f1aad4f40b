/**
 * The n-th largest of `values`, which are reordered; n from 1 to their number. Three-way quickselect on the median of three, so
 * many equal values, usual in profiles, cost one pass.
 */
export function nthLargest(values: Float64Array, n: number): number {
  let low = 0;
  let high = values.length - 1;
  const want = n - 1;
  while (low < high) {
    const pivot = median(values[low]!, values[(low + high) >>> 1]!, values[high]!);
    let larger = low;
    let smaller = high;
    for (let i = low; i <= smaller;) {
      const value = values[i]!;
      if (value > pivot) {
        values[i++] = values[larger]!;
        values[larger++] = value;
      } else if (value < pivot) {
        values[i] = values[smaller]!;
        values[smaller--] = value;
      } else {
        i++;
      }
    }
    if (want < larger) high = larger - 1;
    else if (want > smaller) low = smaller + 1;
    else return pivot;
  }
  return values[low]!;
}

function median(a: number, b: number, c: number): number {
  return a > b ? (b > c ? b : a > c ? c : a) : a > c ? a : b > c ? c : b;
}
