/** The name of a function for people: some have none, as those of mutex profiles of Go that were not resolved. */
export function nameText(name: string): string {
  return name === '' ? '(no name)' : name;
}
