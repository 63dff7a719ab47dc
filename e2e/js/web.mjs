// The web SDK in a page of another origin than the flags. It answers questions that it fetches from the
// server of the page, and tells that server of every event and of every answer it got.
import { OpenFeature, ProviderEvents } from '@openfeature/web-sdk';
import { OFREPWebProvider } from '@openfeature/ofrep-web-provider';
import { details } from './details.mjs';

const page = new URLSearchParams(location.search);
const tell = (path, what) => window.fetch(path, { method: 'POST', body: JSON.stringify(what) });

// fetchImplementation is an option of the provider; what it is given here only looks on.
async function watched(request, options) {
  const tag = request.headers.get('If-None-Match') ?? '';
  const response = await window.fetch(request, options);
  await tell('/event', { type: 'answer', status: response.status, known: tag, etag: response.headers.get('ETag') ?? '' });
  return response;
}

async function main() {
  for (const type of Object.values(ProviderEvents)) {
    OpenFeature.addHandler(type, (e) => tell('/event', { type, changed: e?.flagsChanged ?? [], message: e?.message ?? '' }));
  }
  await OpenFeature.setContext({ targetingKey: 'first' });
  await OpenFeature.setProviderAndWait(
    new OFREPWebProvider({
      baseUrl: page.get('flags'),
      headers: [['Authorization', `Bearer ${page.get('token')}`]],
      cacheMode: page.get('cache') ?? 'local-cache-first',
      fetchImplementation: watched,
    }),
  );
  const client = OpenFeature.getClient();
  for (;;) {
    const response = await window.fetch('/question');
    if (response.status !== 200) {
      return;
    }
    const question = await response.json();
    if (question.reload) {
      location.reload();
      return;
    }
    if (JSON.stringify(question.context) !== JSON.stringify(OpenFeature.getContext())) {
      await OpenFeature.setContext(question.context);
    }
    await tell('/reply', await details(client, question));
  }
}

main().catch((e) => tell('/event', { type: 'failed', message: String(e?.stack ?? e) }));
