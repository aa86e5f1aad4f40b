/*
 * record := head | tenant | body
 * head   := "KR" u16 | major u8 | codec u8 | tenantLen u8 | flags u8 | 0 u16 | storedLen u32 | rawLen u32 | crc32 u32        (20 B)
 *           crc32 of the head with this field 0, the tenant, and the stored body
 * body   := receivedMs | windowMs | traceparent 25 B if flags bit 0 | symbols | nDatasets * dataset
 * dataset:= service, name | nTypes * (type, unit, period type, period unit)
 *           | nProfiles | nProfiles * id 16 B | nProfiles * time ms, delta
 *           | nSeries * (nLabels * (name, value))
 *           | nRows | columns profile, series | pageLen | page | hasSpans u8 | spans
 */
export const RECORD_MAGIC = 0x524b; // "KR"
export const RECORD_MAJOR = 1;
export const RECORD_HEAD_BYTES = 20;
export const FLAG_TRACEPARENT = 1;
export const TRACEPARENT_BYTES = 25;
export const PROFILE_ID_BYTES = 16;
/** Where the checksum stands in the head. */
export const RECORD_CRC_AT = 16;
/** Largest body: no writer makes a larger one, and `decodeRecord` decompresses none unless told otherwise. */
export const MAX_BODY_BYTES: number = 64 * 1024 * 1024;
