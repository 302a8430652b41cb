/** `GET /containers/{id}/top`: what ps prints, cut into columns. */
export interface TopView {
  Titles: string[];
  /** One list of values a process, in the order of the titles; null in Docker when there are none. */
  Processes: string[][];
}
