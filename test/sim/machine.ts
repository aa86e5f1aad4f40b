import { seededRandom } from '@kiln/async';
import { MemoryDisk, type DiskOperation } from '@kiln/disk';
import { openDirectoryStore, type ObjectStore } from '@kiln/objstore';
import { openFileLog, type PartitionLog } from '@kiln/partition-log';
import { crc32 } from 'node:zlib';
import type { World } from './world.ts';

/** The one machine of a world: the real file log and object directory on a disk that loses what was not synced. */
export class Machine {
  readonly disk: MemoryDisk;
  readonly objects: ObjectStore;
  readonly log: PartitionLog;

  private constructor(disk: MemoryDisk, objects: ObjectStore, log: PartitionLog) {
    this.disk = disk;
    this.objects = objects;
    this.log = log;
  }

  /** A disk with nothing on it, in the world's weather. */
  static disk(world: World): MemoryDisk {
    const random = seededRandom(Math.floor(world.random() * 2 ** 32));
    return new MemoryDisk({ random, fault: (operation) => faultOf(world, operation, random) });
  }

  /** Opens what is on the disk. @throws what the adapters throw while the disk is in trouble. */
  static async start(world: World, partitions: number, disk: MemoryDisk): Promise<Machine> {
    const objects = await openDirectoryStore({ disk, root: '/data/objects' });
    const { random, logClock: clock } = world;
    const log = await openFileLog({ disk, root: '/data/log', partitions, clock, crc32, random, segmentBytes: 4_000 });
    return new Machine(disk, objects, log);
  }
}

const WRITES = new Set(['create', 'write', 'mkdir', 'link']);

function faultOf(world: World, { kind }: DiskOperation, random: () => number): string | undefined {
  if (world.diskFull && WRITES.has(kind)) {
    world.tally.add('disk: full');
    return 'ENOSPC';
  }
  if (random() >= world.weather.disk) return undefined;
  world.tally.add('disk: i/o error');
  return 'EIO';
}
