/** `os[/arch[/variant]]` as the API takes it. */
export const platformJson = (text: string): string => {
  const [os, architecture, variant] = text.split('/');
  return JSON.stringify({ architecture: architecture ?? '', os, ...(variant === undefined ? {} : { variant }) });
};
