// What orval's functions call: the service's address, the token, and an error for every problem.
export async function fetcher<T>(path: string, init: RequestInit): Promise<T> {
  const headers = new Headers(init.headers);
  headers.set("Authorization", `Bearer ${process.env.TANDEM_TOKEN}`);
  // Where an operation takes several media types, orval leaves the choice to its caller.
  if (typeof init.body === "string" && !headers.has("Content-Type")) headers.set("Content-Type", "application/json");

  const answer = await fetch(`${process.env.TANDEM_URL}${path}`, { ...init, headers });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${init.method} ${path}: ${answer.status} ${text}`);
  return { data: text && JSON.parse(text), status: answer.status, headers: answer.headers } as T;
}
