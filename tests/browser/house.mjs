// What the browser tests stand on: the running service, a website of its own, and a browser.
import { readFile } from "node:fs/promises";
import http from "node:http";
import path from "node:path";

import { chromium } from "playwright-core";

export { Service } from "./service.mjs";

const EXAMPLES = path.resolve(import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname), "../../examples/site");

/** The service as a website reaches it, and everything that was sent there, with the status of its answer. */
export class Recorder {
  static async start(address) {
    const recorder = new Recorder();
    recorder.seen = [];
    recorder.server = http.createServer(async (request, answer) => {
      const parts = [];
      for await (const part of request) parts.push(part);
      const { method, url: path, headers } = request;
      const one = { method, path, headers, body: Buffer.concat(parts).toString() };
      recorder.seen.push(one);
      const onward = http.request(address + path, { method, headers: { ...headers, host: new URL(address).host } }, (got) => {
        one.status = got.statusCode;
        answer.writeHead(got.statusCode, got.headers);
        got.pipe(answer);
      });
      onward.on("error", () => answer.destroy());
      onward.end(Buffer.concat(parts));
    });
    await new Promise((done) => recorder.server.listen(0, "127.0.0.1", done));
    recorder.origin = `http://127.0.0.1:${recorder.server.address().port}`;
    return recorder;
  }

  async stop() {
    this.server.closeAllConnections?.();
    await new Promise((done) => this.server.close(done));
  }
}

/** A website: pages by path, on an origin that the service may know or not. */
export class Site {
  static async start() {
    const site = new Site();
    site.pages = new Map([
      ["/thanks.html", "<!DOCTYPE html><title>Thanks</title><h1>Thank you</h1>"],
      ["/favicon.ico", { body: "" }],
    ]);
    site.server = http.createServer((request, answer) => {
      const page = site.pages.get(new URL(request.url, "http://site").pathname);
      answer.writeHead(page ? 200 : 404, { "Content-Type": "text/html; charset=utf-8", ...page?.headers });
      answer.end(page?.body ?? page ?? "not here");
    });
    await new Promise((done) => site.server.listen(0, "127.0.0.1", done));
    const { port } = site.server.address();
    site.origin = `http://localhost:${port}`;
    site.stranger = `http://127.0.0.1:${port}`;
    return site;
  }

  /** A page of examples/site, as the README says: with the service's address and the form's key. */
  async show(name, service, key) {
    const page = await readFile(path.join(EXAMPLES, name), "utf8");
    this.pages.set(`/${name}`, page.replaceAll("http://127.0.0.1:8080", service.address).replaceAll("FORM_KEY", key));
  }

  async stop() {
    this.server.closeAllConnections?.();
    await new Promise((done) => this.server.close(done));
  }
}

export function launch() {
  return chromium.launch({
    executablePath: process.env.TANDEM_BROWSER,
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
      "--disable-component-update", "--disable-sync"],
  });
}

/** For pages that were looked at some time ago. */
export function shiftClock(shift) {
  const Now = Date;
  Date = class extends Now {
    constructor(...told) {
      told.length ? super(...told) : super(Now.now() - shift);
    }
    static now() {
      return Now.now() - shift;
    }
  };
}
