export default {
  tandem: {
    input: process.env.DOCUMENT,
    output: {
      target: "generated/tandem.ts",
      client: "fetch",
      override: {
        contentType: { exclude: ["multipart/form-data"] }, // beside a file of bytes orval's code for it does not compile
        fetch: { forceSuccessResponse: true },
        mutator: { path: "fetcher.ts", name: "fetcher", extension: ".js" },
      },
    },
  },
};
