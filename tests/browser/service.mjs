// A running service on an embedded database of its own.
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";

async function freePort() {
  const server = createServer();
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address();
  await new Promise((done) => server.close(done));
  return port;
}

export class Service {
  static async start() {
    const service = new Service();
    service.home = await mkdtemp(path.join(tmpdir(), "tandem-browser."));
    service.address = `http://127.0.0.1:${await freePort()}`;
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(TANDEM_|.*DATABASE_URL$)/.test(name)));
    service.child = spawn(process.env.TANDEM_BIN, ["serve"], {
      env: { ...env, TANDEM_DATA_DIR: service.home, TANDEM_LISTEN: service.address.slice("http://".length) },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let printed = "";
    service.child.stdout.on("data", (text) => (printed += text));
    service.child.stderr.on("data", (text) => (service.log = (service.log ?? "") + text));
    try {
      // The service prints the token after it has begun to listen.
      await service.until(async () => /tdm_it_\w+\s/.test(printed) && (await fetch(`${service.address}/readyz`)).ok);
      const [token] = printed.match(/tdm_it_\w+/);
      const admin = { email: "grace@example.com", password: "a long pass phrase" };
      await service.call("POST", "/v1/setup", { token, name: "Grace", ...admin });
      service.token = (await service.call("POST", "/v1/auth/login", admin)).access_token;
      return service;
    } catch (error) {
      await service.stop(); // a child that runs on would keep the test runner from ending
      throw error;
    }
  }

  async until(isSo) {
    for (let tries = 0; tries < 1200; tries++) {
      if (await isSo().catch(() => false)) return;
      if (this.child.exitCode !== null) break;
      await new Promise((done) => setTimeout(done, 50));
    }
    throw new Error(`the service does not answer:\n${this.log}`);
  }

  async call(method, where, body) {
    const headers = { "Content-Type": "application/json" };
    if (this.token) headers.Authorization = `Bearer ${this.token}`;
    const answer = await fetch(this.address + where, { method, headers, body: body && JSON.stringify(body) });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${where}: ${answer.status} ${text}`);
    return text && JSON.parse(text);
  }

  async leadOf(email) {
    const { data } = await this.call("GET", `/v1/leads?include=touches&q=${encodeURIComponent(email)}`);
    return data.find((lead) => lead.email === email);
  }

  async stop() {
    if (this.child.exitCode === null) {
      const gone = new Promise((done) => this.child.once("exit", done));
      this.child.kill("SIGTERM");
      await gone;
    }
    await rm(this.home, { recursive: true, force: true });
  }
}
