// SPDX-License-Identifier: Apache-2.0
// A request as a command line: what the panel does, a script can do.  The token is taken from the environment, never from here.
const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

export function curlOf(method, path, { body, headers = {}, origin = location.origin } = {}) {
	const lines = [`curl${method === 'GET' ? '' : ` -X ${method}`} -H "Authorization: Bearer $TOKEN"`];

	if (body !== undefined)
		lines.push(`-H 'Content-Type: ${method === 'PATCH' ? 'application/merge-patch+json' : 'application/json'}'`);
	for (const [name, value] of Object.entries(headers))
		lines.push(`-H ${quoted(`${name}: ${value}`)}`);
	if (body !== undefined)
		lines.push(`-d ${quoted(JSON.stringify(body))}`);
	lines.push(quoted(origin + path));
	return lines.join(' \\\n  ');
}
