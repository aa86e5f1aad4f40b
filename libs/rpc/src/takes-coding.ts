/**
 * Whether a client takes an answer in a coding (RFC 9110 §12.5.3); with `q=0` it says that it does not.
 * @param accepted the value of `Accept-Encoding`, or of gRPC's own header. @param coding in small letters.
 */
export function takesCoding(accepted: string, coding: string): boolean {
  return accepted
    .split(',')
    .map((one) => one.trim().toLowerCase())
    .some((one) => one.split(';', 1)[0]!.trim() === coding && !/;\s*q=0(\.0*)?$/.test(one));
}
