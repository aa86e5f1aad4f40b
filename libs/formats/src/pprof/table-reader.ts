import { room } from '../scratch.ts';
import type { PprofFunctions, PprofLocations, PprofMappings, PprofStrings, PprofValueType } from './pprof.ts';
import { BYTES, rowOf, safeNumber, VARINT, type Wire } from './wire.ts';

/** Tags: field number and wire type in one. */
const NUMBER_1 = 8;
const NUMBER_2 = 16;
const NUMBER_3 = 24;
const NUMBER_4 = 32;
const NUMBER_5 = 40;
const MESSAGE_4 = 34;

/** The tables of a pprof but its samples. One `add…` per message of the file, the columns are reused from file to file. */
export class TableReader {
  readonly #wire: Wire;
  #strings = 0;
  #stringFrom = new Int32Array(64);
  #stringTo = new Int32Array(64);
  #functions = 0;
  #functionIdLo = new Int32Array(64);
  #functionIdHi = new Int32Array(64);
  #functionName = new Int32Array(64);
  #functionSystemName = new Int32Array(64);
  #functionFileName = new Int32Array(64);
  #functionStartLine = new Float64Array(64);
  #mappings = 0;
  #mappingIdLo = new Int32Array(16);
  #mappingIdHi = new Int32Array(16);
  #mappingStart = new Int32Array(32);
  #mappingLimit = new Int32Array(32);
  #mappingOffset = new Int32Array(32);
  #mappingFileName = new Int32Array(16);
  #mappingBuildId = new Int32Array(16);
  #mappingFlags = new Uint8Array(16);
  #locations = 0;
  #locationIdLo = new Int32Array(64);
  #locationIdHi = new Int32Array(64);
  #mappingIdOfLo = new Int32Array(64);
  #mappingIdOfHi = new Int32Array(64);
  #addressLo = new Int32Array(64);
  #addressHi = new Int32Array(64);
  #lineStart = new Int32Array(65);
  #lines = 0;
  #lineFunctionLo = new Int32Array(64);
  #lineFunctionHi = new Int32Array(64);
  #lineNumber = new Float64Array(64);

  constructor(wire: Wire) {
    this.#wire = wire;
  }

  clear(): void {
    this.#strings = 0;
    this.#functions = 0;
    this.#mappings = 0;
    this.#locations = 0;
    this.#lines = 0;
  }

  /** Hot: once per string. */
  addString(from: number, to: number): void {
    const row = this.#strings++;
    if (row === this.#stringFrom.length) {
      this.#stringFrom = room(this.#stringFrom, row + 1);
      this.#stringTo = room(this.#stringTo, row + 1);
    }
    this.#stringFrom[row] = from;
    this.#stringTo[row] = to;
  }

  valueType(from: number, to: number): PprofValueType {
    const wire = this.#wire;
    let type = 0;
    let unit = 0;
    wire.at = from;
    while (wire.next(to)) {
      if (wire.type !== VARINT) continue;
      if (wire.field === 1) type = wire.row();
      else if (wire.field === 2) unit = wire.row();
    }
    return { type, unit };
  }

  /** Hot: once per function. */
  addFunction(from: number, to: number): void {
    const wire = this.#wire;
    const row = this.#functions++;
    if (row === this.#functionIdLo.length) this.#growFunctions();
    let idLo = 0;
    let idHi = 0;
    let name = 0;
    let systemName = 0;
    let fileName = 0;
    let startLine = 0;
    const bytes = wire.bytes;
    let at = from;
    while (at < to) {
      let tag: number = bytes[at]!;
      let lo: number = at + 1 < to ? bytes[at + 1]! : 128;
      let hi = 0;
      if (lo < 128 && tag < 128 && tag > 7 && (tag & 5) === 0) at += 2;
      else {
        const second = at + 2 < to ? bytes[at + 2]! : 128;
        if (lo > 127 && second < 128 && tag < 128 && tag > 7 && (tag & 5) === 0) {
          lo = (lo & 127) | (second << 7);
          at += 3;
        } else {
          at = wire.slowField(at, to);
          tag = wire.tag;
          lo = wire.lo;
          hi = wire.hi;
        }
      }
      if (tag === NUMBER_1) {
        idLo = lo;
        idHi = hi;
      } else if (tag === NUMBER_2) name = rowOf(lo, hi);
      else if (tag === NUMBER_3) systemName = rowOf(lo, hi);
      else if (tag === NUMBER_4) fileName = rowOf(lo, hi);
      else if (tag === NUMBER_5) startLine = safeNumber(lo, hi);
      else if ((tag & 7) === BYTES) {
        if (lo > to - at) wire.tooLong(at, lo, to);
        at += lo;
      }
    }
    this.#functionIdLo[row] = idLo;
    this.#functionIdHi[row] = idHi;
    this.#functionName[row] = name;
    this.#functionSystemName[row] = systemName;
    this.#functionFileName[row] = fileName;
    this.#functionStartLine[row] = startLine;
  }

  addMapping(from: number, to: number): void {
    const wire = this.#wire;
    const row = this.#mappings++;
    if (row === this.#mappingIdLo.length) this.#growMappings();
    for (const column of [this.#mappingStart, this.#mappingLimit, this.#mappingOffset])
      column.fill(0, row * 2, row * 2 + 2);
    this.#mappingIdLo[row] = this.#mappingIdHi[row] = 0;
    this.#mappingFileName[row] = this.#mappingBuildId[row] = this.#mappingFlags[row] = 0;
    wire.at = from;
    while (wire.next(to)) {
      if (wire.type !== VARINT) continue;
      const { field, lo, hi } = wire;
      if (field === 1) {
        this.#mappingIdLo[row] = lo;
        this.#mappingIdHi[row] = hi;
      } else if (field <= 4) {
        const column = field === 2 ? this.#mappingStart : field === 3 ? this.#mappingLimit : this.#mappingOffset;
        column[row * 2] = lo;
        column[row * 2 + 1] = hi;
      } else if (field === 5) this.#mappingFileName[row] = wire.row();
      else if (field === 6) this.#mappingBuildId[row] = wire.row();
      else if (field <= 10) {
        const bit = 1 << (field - 7);
        const flags = this.#mappingFlags;
        flags[row] = (lo | hi) === 0 ? flags[row]! & ~bit : flags[row]! | bit;
      }
    }
  }

  /** Hot: once per location. */
  addLocation(from: number, to: number): void {
    const wire = this.#wire;
    const row = this.#locations++;
    if (row === this.#locationIdLo.length) this.#growLocations();
    let idLo = 0;
    let idHi = 0;
    let mappingLo = 0;
    let mappingHi = 0;
    let addressLo = 0;
    let addressHi = 0;
    const bytes = wire.bytes;
    let at = from;
    while (at < to) {
      let tag: number = bytes[at]!;
      let lo: number = at + 1 < to ? bytes[at + 1]! : 128;
      let hi = 0;
      if (lo < 128 && tag < 128 && tag > 7 && (tag & 5) === 0) at += 2;
      else {
        const second = at + 2 < to ? bytes[at + 2]! : 128;
        if (lo > 127 && second < 128 && tag < 128 && tag > 7 && (tag & 5) === 0) {
          lo = (lo & 127) | (second << 7);
          at += 3;
        } else {
          at = wire.slowField(at, to);
          tag = wire.tag;
          lo = wire.lo;
          hi = wire.hi;
        }
      }
      if (tag === NUMBER_1) {
        idLo = lo;
        idHi = hi;
      } else if (tag === NUMBER_2) {
        mappingLo = lo;
        mappingHi = hi;
      } else if (tag === NUMBER_3) {
        addressLo = lo;
        addressHi = hi;
      } else if ((tag & 7) === BYTES) {
        if (lo > to - at) wire.tooLong(at, lo, to);
        if (tag === MESSAGE_4) this.#addLine(at, at + lo);
        at += lo;
      }
    }
    this.#locationIdLo[row] = idLo;
    this.#locationIdHi[row] = idHi;
    this.#mappingIdOfLo[row] = mappingLo;
    this.#mappingIdOfHi[row] = mappingHi;
    this.#addressLo[row] = addressLo;
    this.#addressHi[row] = addressHi;
    this.#lineStart[row + 1] = this.#lines;
  }

  /** Hot: once per line. */
  #addLine(from: number, to: number): void {
    const wire = this.#wire;
    const row = this.#lines++;
    if (row === this.#lineFunctionLo.length) {
      this.#lineFunctionLo = room(this.#lineFunctionLo, row + 1);
      this.#lineFunctionHi = room(this.#lineFunctionHi, row + 1);
      this.#lineNumber = room(this.#lineNumber, row + 1);
    }
    let functionLo = 0;
    let functionHi = 0;
    let number = 0;
    const bytes = wire.bytes;
    let at = from;
    while (at < to) {
      let tag: number = bytes[at]!;
      let lo: number = at + 1 < to ? bytes[at + 1]! : 128;
      let hi = 0;
      if (lo < 128 && tag < 128 && tag > 7 && (tag & 5) === 0) at += 2;
      else {
        const second = at + 2 < to ? bytes[at + 2]! : 128;
        if (lo > 127 && second < 128 && tag < 128 && tag > 7 && (tag & 5) === 0) {
          lo = (lo & 127) | (second << 7);
          at += 3;
        } else {
          at = wire.slowField(at, to);
          tag = wire.tag;
          lo = wire.lo;
          hi = wire.hi;
        }
      }
      if (tag === NUMBER_1) {
        functionLo = lo;
        functionHi = hi;
      } else if (tag === NUMBER_2) number = safeNumber(lo, hi);
      else if ((tag & 7) === BYTES) {
        if (lo > to - at) wire.tooLong(at, lo, to);
        at += lo;
      }
    }
    this.#lineFunctionLo[row] = functionLo;
    this.#lineFunctionHi[row] = functionHi;
    this.#lineNumber[row] = number;
  }

  strings(): PprofStrings {
    return { length: this.#strings, from: this.#stringFrom, to: this.#stringTo };
  }

  functions(): PprofFunctions {
    return {
      length: this.#functions,
      idLo: this.#functionIdLo,
      idHi: this.#functionIdHi,
      name: this.#functionName,
      systemName: this.#functionSystemName,
      fileName: this.#functionFileName,
      startLine: this.#functionStartLine,
    };
  }

  mappings(): PprofMappings {
    return {
      length: this.#mappings,
      idLo: this.#mappingIdLo,
      idHi: this.#mappingIdHi,
      start: this.#mappingStart,
      limit: this.#mappingLimit,
      offset: this.#mappingOffset,
      fileName: this.#mappingFileName,
      buildId: this.#mappingBuildId,
      flags: this.#mappingFlags,
    };
  }

  locations(): PprofLocations {
    return {
      length: this.#locations,
      idLo: this.#locationIdLo,
      idHi: this.#locationIdHi,
      mappingIdLo: this.#mappingIdOfLo,
      mappingIdHi: this.#mappingIdOfHi,
      addressLo: this.#addressLo,
      addressHi: this.#addressHi,
      lineStart: this.#lineStart,
      lineFunctionIdLo: this.#lineFunctionLo,
      lineFunctionIdHi: this.#lineFunctionHi,
      lineNumber: this.#lineNumber,
    };
  }

  #growFunctions(): void {
    const length = this.#functions;
    this.#functionIdLo = room(this.#functionIdLo, length);
    this.#functionIdHi = room(this.#functionIdHi, length);
    this.#functionName = room(this.#functionName, length);
    this.#functionSystemName = room(this.#functionSystemName, length);
    this.#functionFileName = room(this.#functionFileName, length);
    this.#functionStartLine = room(this.#functionStartLine, length);
  }

  #growMappings(): void {
    const length = this.#mappings;
    this.#mappingIdLo = room(this.#mappingIdLo, length);
    this.#mappingIdHi = room(this.#mappingIdHi, length);
    this.#mappingStart = room(this.#mappingStart, length * 2);
    this.#mappingLimit = room(this.#mappingLimit, length * 2);
    this.#mappingOffset = room(this.#mappingOffset, length * 2);
    this.#mappingFileName = room(this.#mappingFileName, length);
    this.#mappingBuildId = room(this.#mappingBuildId, length);
    this.#mappingFlags = room(this.#mappingFlags, length);
  }

  #growLocations(): void {
    const length = this.#locations;
    this.#locationIdLo = room(this.#locationIdLo, length);
    this.#locationIdHi = room(this.#locationIdHi, length);
    this.#mappingIdOfLo = room(this.#mappingIdOfLo, length);
    this.#mappingIdOfHi = room(this.#mappingIdOfHi, length);
    this.#addressLo = room(this.#addressLo, length);
    this.#addressHi = room(this.#addressHi, length);
    this.#lineStart = room(this.#lineStart, this.#locationIdLo.length + 1);
  }
}
