/** How many rows are asked for at once. */
export const pageSize = 100;

/** A page of any list. */
export interface Page<T> {
  data: T[];
  next_cursor?: string | null;
}

/**
 * The rows of a list. `for await` yields them one by one and asks for the next page when it
 * comes to it; `await` gives all of them as an array. Nothing is asked for before.
 */
export class List<T> implements AsyncIterable<T>, Promise<T[]> {
  readonly [Symbol.toStringTag] = "List";
  readonly #page: (cursor: string | undefined) => Promise<Page<T>>;

  constructor(page: (cursor: string | undefined) => Promise<Page<T>>) {
    this.#page = page;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    let cursor: string | null | undefined;
    do {
      const page = await this.#page(cursor ?? undefined);
      yield* page.data;
      cursor = page.next_cursor;
    } while (cursor);
  }

  then<A = T[], B = never>(
    resolve?: ((rows: T[]) => A | PromiseLike<A>) | null,
    reject?: ((error: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.#all().then(resolve, reject);
  }

  catch<B = never>(reject?: ((error: unknown) => B | PromiseLike<B>) | null): Promise<T[] | B> {
    return this.#all().catch(reject);
  }

  finally(done?: (() => void) | null): Promise<T[]> {
    return this.#all().finally(done);
  }

  async #all(): Promise<T[]> {
    const rows: T[] = [];
    for await (const row of this) rows.push(row);
    return rows;
  }
}
