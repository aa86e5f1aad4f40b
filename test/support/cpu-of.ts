import { readFile } from 'node:fs/promises';

/** CPU of a process so far, milliseconds: user and system (proc(5), clock ticks of 10 ms). */
export async function cpuOf(pid: number): Promise<number> {
  const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ')[1]!.split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}
