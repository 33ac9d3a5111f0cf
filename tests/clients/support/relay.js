// Relay: its compiler, run on the operations below with the documented schema, and an environment that sends them over fetch
// and graphql-ws.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

import relay from 'relay-runtime';

const COMPILER = fileURLToPath(new URL('../node_modules/relay-compiler/cli.js', import.meta.url));
const SCHEMA = fileURLToPath(new URL('../../../docs/schema.graphql', import.meta.url));

// The compiler requires that names begin with the name of the file.
const SOURCE = `
import { graphql } from 'relay-runtime';

graphql\`
  query ClientDocumentsQuery($first: Int!, $after: String) {
    documents(first: $first, after: $after, orderBy: CREATED) @connection(key: "Client_documents") {
      edges { node { id title owner { id name } ...Client_document } }
    }
  }
\`;
graphql\`
  query ClientHistoryQuery($document: ID!, $first: Int!, $after: String) {
    documentHistory(documentId: $document, first: $first, after: $after) @connection(key: "Client_documentHistory") {
      edges { node { fromVersion toVersion author { name } } }
    }
  }
\`;
graphql\`
  fragment Client_document on Document @refetchable(queryName: "ClientRefetchQuery") { title version updatedAt }
\`;
graphql\`
  query ClientNodeQuery($id: ID!) {
    node(id: $id) { __typename id ... on Document { title version } ... on User { name } }
  }
\`;
graphql\`
  mutation ClientRenameMutation($id: ID!, $title: String!) {
    updateDocument(id: $id, title: $title) { id title version }
  }
\`;
graphql\`
  subscription ClientChangesSubscription($id: ID!, $since: Int) {
    documentChanged(documentId: $id, since: $since) { kind version title author { id name } }
  }
\`;
`;

/** Runs the compiler. Returns the compiled operations by their names. */
export async function compileOperations() {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'coscribe-relay-'));
  try {
    const artifacts = path.join(folder, 'artifacts');
    await mkdir(path.join(folder, 'src'));
    await mkdir(artifacts);
    await copyFile(SCHEMA, path.join(folder, 'schema.graphql'));
    await writeFile(path.join(folder, 'src', 'Client.js'), SOURCE);
    await writeFile(path.join(folder, 'package.json'), JSON.stringify({ type: 'module' }));
    const config = {
      src: './src',
      schema: './schema.graphql',
      language: 'javascript',
      artifactDirectory: './artifacts',
      eagerEsModules: true,
      customScalarTypes: { Bytes: 'string', DateTime: 'string' },
    };
    await writeFile(path.join(folder, 'relay.config.json'), JSON.stringify(config));
    await runCompiler(folder);
    const names = (await readdir(artifacts)).map((file) => file.replace(/\.graphql\.js$/, ''));
    // Fragments import their queries by names without an ending, which only bundlers resolve.
    const operations = names.filter((name) => /(Query|Mutation|Subscription)$/.test(name));
    const load = async (name) => {
      const file = pathToFileURL(path.join(artifacts, `${name}.graphql.js`));
      return [name, (await import(file.href)).default];
    };
    return Object.fromEntries(await Promise.all(operations.map(load)));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function runCompiler(folder) {
  const compiler = spawn(process.execPath, [COMPILER, 'relay.config.json'], { cwd: folder });
  let log = '';
  for (const stream of [compiler.stdout, compiler.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => (log += text));
  }
  const [code] = await once(compiler, 'close');
  assert.equal(code, 0, `The compiler refuses the operations or the schema:\n${log}`);
}

/** Creates the environment of a person: operations over fetch, subscriptions over `socket`, a client of graphql-ws. */
export function relayEnvironment(person, socket) {
  const { Environment, Network, Observable, RecordSource, Store } = relay;
  const fetchOperation = ({ name, text }, variables) =>
    fetch(person.server.graphql, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${person.token}` },
      body: JSON.stringify({ operationName: name, query: text, variables }),
    }).then((response) => response.json());
  const subscribe = ({ name, text }, variables) =>
    Observable.create((sink) => socket.subscribe({ operationName: name, query: text, variables }, sink));
  return new Environment({
    network: Network.create(fetchOperation, subscribe),
    store: new Store(new RecordSource()),
  });
}

/** Reads an operation from the store, without asking the server. */
export function readStore(environment, operation, variables) {
  const descriptor = relay.createOperationDescriptor(relay.getRequest(operation), variables);
  return environment.lookup(descriptor.fragment).data;
}

/** Runs a query and returns its data. */
export function query(environment, operation, variables) {
  return relay.fetchQuery(environment, operation, variables).toPromise();
}

/** Runs a mutation and returns its data. */
export function mutate(environment, operation, variables) {
  return new Promise((resolve, reject) => {
    relay.commitMutation(environment, {
      mutation: operation,
      variables,
      onCompleted: (data, errors) => (errors?.length ? reject(errors) : resolve(data)),
      onError: reject,
    });
  });
}

/** Subscribes. The events go into `stream`. Returns a handle with `dispose`. */
export function subscribe(environment, operation, variables, stream) {
  return relay.requestSubscription(environment, {
    subscription: operation,
    variables,
    onNext: (data) => stream.push(data),
    onError: (error) => stream.finish(error),
    onCompleted: () => stream.finish([]),
  });
}
