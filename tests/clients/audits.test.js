// Runs the `graphql-http` audits, which check POST /graphql against the GraphQL over HTTP specification. Audits of optional
// behaviour (MAY) are reported and do not fail.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { serverAudits } from 'graphql-http';

import { Server } from './support/server.js';

let server;

before(async () => {
  server = await Server.start();
});
after(() => server.stop());

describe('graphql-http audits', () => {
  for (const audit of serverAudits({ url: () => server.graphql, fetchFn: fetch })) {
    test(`${audit.id} ${audit.name}`, async (t) => {
      const result = await audit.fn();
      if (result.status === 'ok') return;
      const { status, headers } = result.response;
      const report = `${result.reason}; the server answered ${status} ${headers.get('content-type')}`;
      if (result.status === 'notice') t.diagnostic(report);
      else assert.fail(report);
    });
  }
});
