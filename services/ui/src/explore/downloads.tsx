import { useState, type ReactNode } from 'react';
import { selectionParams, type Selection } from '../api/calls.ts';
import { Menu } from '../app/menu.tsx';
import { usePage } from '../app/page.ts';
import { saveFile } from './save-file.ts';

/** A file that the page makes itself of what it shows. */
export interface OwnFile {
  readonly text: string;
  readonly extension: string;
  readonly type: string;
  readonly content: () => string;
}

/** The profile as files: pprof from the server, others from what is shown. */
export function Downloads(props: { readonly selection: Selection; readonly own?: readonly OwnFile[] }): ReactNode {
  const { selection, own = [] } = props;
  const { client } = usePage();
  const [problem, setProblem] = useState('');
  const name = fileName(selection);
  const savePprof = async (): Promise<void> => {
    const answer = await client.file('pprof', selectionParams(selection), new AbortController().signal);
    if (answer.ok) saveFile(`${name}.pb.gz`, answer.value);
    setProblem(answer.ok ? '' : answer.trouble.message);
  };
  return (
    <>
      {problem !== '' && (
        <span className="problem" role="alert">
          {problem}
        </span>
      )}
      <Menu label="Download" text="Download" align="right">
        {(close) => (
          <ul className="choices">
            <li>
              <button
                type="button"
                onClick={() => {
                  close();
                  void savePprof();
                }}
              >
                pprof (.pb.gz)
              </button>
            </li>
            {own.map(({ text, extension, type, content }) => (
              <li key={extension}>
                <button
                  type="button"
                  onClick={() => {
                    close();
                    saveFile(`${name}.${extension}`, new Blob([content()], { type }));
                  }}
                >
                  {text}
                </button>
              </li>
            ))}
          </ul>
        )}
      </Menu>
    </>
  );
}

/** Of the kind and the time, with nothing in it that a file system minds. */
function fileName({ kind, range }: Selection): string {
  const [name = '', type = ''] = kind.split(':');
  const time = new Date(range.untilMs).toISOString().slice(0, 19).replaceAll(/[-:]/g, '');
  return `${name}-${type}-${time}`.replaceAll(/[^\w.-]+/g, '_');
}
