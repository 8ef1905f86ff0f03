/**
 * Finds where bytes stop being UTF-8. The platform's `TextDecoder` says only that something is wrong; a user
 * with a 50,000-line file needs to know where.
 */

/**
 * The offset of the first byte that does not begin or continue a well-formed UTF-8 sequence (the start of the
 * broken sequence), or −1 where all is well. Overlong forms, surrogates, values above U+10FFFF and a sequence
 * cut off by the end are ill-formed (Unicode 15, table 3-7).
 */
export function firstInvalidUtf8(bytes: Uint8Array): number {
  let at = 0;
  while (at < bytes.length) {
    const length = sequenceLength(bytes, at);
    if (length === 0) return at;
    at += length;
  }
  return -1;
}

/** The length in bytes of the well-formed sequence at `at`, or 0 if it is ill-formed. */
function sequenceLength(bytes: Uint8Array, at: number): number {
  const lead = bytes[at]!;
  if (lead < 0x80) return 1;
  if (lead < 0xc2 || lead > 0xf4) return 0;
  const length = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  const lowest = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
  const highest = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
  const second = bytes[at + 1] ?? 0;
  if (second < lowest || second > highest) return 0;
  for (let i = 2; i < length; i++) {
    if (((bytes[at + i] ?? 0) & 0xc0) !== 0x80) return 0;
  }
  return length;
}
