/** What `--help` says of `--format` in lists. */
export const formatHelp = `How to print the result:
'table': aligned columns (default)
'table TEMPLATE': columns of a Go template
'json': one JSON object a line
'TEMPLATE': one Go template a line`;

/** What `--help` says of `--format` where objects are shown. */
export const inspectFormatHelp = `How to print the result:
'json': as JSON
'TEMPLATE': a Go template`;
