/** Bodies of operations that take a form, such as pictures. */

/**
 * The options of an operation with these fields: `kumanda.PUT(path, { params, ...form({ thumbnail: file }) })`. The document
 * describes files as texts, so the type of each field is that of a text.
 */
export function form<Name extends string>(
  fields: Record<Name, string | Blob>,
): { body: Record<Name, string>; bodySerializer: () => FormData } {
  const data = new FormData();
  for (const [name, value] of Object.entries<string | Blob>(fields)) data.append(name, value);
  return { body: fields as Record<Name, string>, bodySerializer: () => data };
}
