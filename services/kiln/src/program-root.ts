/** Where this program is installed: the folder of its package.json, as a URL that ends with a slash. */
export const programRoot: URL = new URL('../../../', import.meta.url);
