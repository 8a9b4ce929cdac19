// Runs a command beside a service of its own, which it finds in TANDEM_URL and TANDEM_TOKEN (an admin's access token).
import { spawn } from "node:child_process";
import { once } from "node:events";

import { Service } from "../browser/service.mjs";

const service = await Service.start();
try {
  const [command, ...args] = process.argv.slice(2);
  const env = { ...process.env, TANDEM_URL: service.address, TANDEM_TOKEN: service.token };
  const [code] = await once(spawn(command, args, { env, stdio: "inherit" }), "exit");
  process.exitCode = code ?? 1;
} finally {
  await service.stop();
}
