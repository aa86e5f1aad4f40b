/** A name within so many characters, harmless on a screen: the end of a long name says more than its beginning. */
export function clipped(name: string, room: number): string {
  const clean = withoutControls(name);
  const width = Math.max(8, room);
  return clean.length <= width ? clean : `…${clean.slice(clean.length - width + 1)}`;
}

/** Characters that would steer a screen are shown as `?`. */
export function withoutControls(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, '?');
}
