// The server SDK as an application uses it. It answers questions that come as lines of JSON.
import { createInterface } from 'node:readline';
import { OpenFeature } from '@openfeature/server-sdk';
import { OFREPProvider } from '@openfeature/ofrep-provider';
import { details } from './details.mjs';

const { FLAGS_URL, FLAGS_TOKEN } = process.env;
await OpenFeature.setProviderAndWait(
  new OFREPProvider({ baseUrl: FLAGS_URL, headers: [['Authorization', `Bearer ${FLAGS_TOKEN}`]] }),
);
const client = OpenFeature.getClient();

for await (const line of createInterface({ input: process.stdin })) {
  const question = JSON.parse(line);
  const answer = await details(client, question, question.context);
  process.stdout.write(JSON.stringify(answer) + '\n');
}
