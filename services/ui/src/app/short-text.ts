/** At most so many characters of a text, line ends as spaces; a longer one keeps its beginning and its end around an ellipsis. */
export function shortText(text: string, most: number): string {
  const characters = Array.from(text.replaceAll(/\s+/g, ' '));
  if (characters.length <= most) return characters.join('');
  const head = Math.ceil(most * 0.7);
  return `${characters.slice(0, head).join('')}…${characters.slice(head + 1 - most).join('')}`;
}
