// details asks a client for a flag of a type and keeps what the tests compare.
export async function details(client, { type, flag, default: fallback }, context) {
  const ask = {
    boolean: client.getBooleanDetails,
    string: client.getStringDetails,
    integer: client.getNumberDetails,
    float: client.getNumberDetails,
    object: client.getObjectDetails,
  }[type];
  const d = await ask.call(client, flag, fallback, context);
  return { value: d.value, variant: d.variant ?? '', reason: d.reason ?? '', error: d.errorCode ?? '', metadata: d.flagMetadata ?? {} };
}
