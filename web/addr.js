// SPDX-License-Identifier: Apache-2.0
// IP addresses: whether a text is one.

/* "10.0.0.1" -> 32, "fd00::1" -> 128: its bits; 0: it is none. */
export function addressBits(text) {
	const v4 = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);

	if (v4)
		return v4.slice(1).every((n) => Number(n) < 256) ? 32 : 0;
	if (!/^[0-9a-f:]+$/i.test(text || ''))
		return 0;
	const halves = text.split('::');
	const words = halves.map((h) => (h ? h.split(':') : []));
	const missing = 8 - words.flat().length;
	return halves.length > 2 || (halves.length === 1 ? missing !== 0 : missing < 1) || words.flat().some((w) => !/^[0-9a-f]{1,4}$/i.test(w)) ? 0 : 128;
}
