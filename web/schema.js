// SPDX-License-Identifier: Apache-2.0
// What fields a kind has, out of the server's OpenAPI document, in the form that pages and forms need.
import { openapi } from './api.js';
import { PLURALS, kindOf, pluralOf } from './kinds.js';

const READ_ONLY = new Set(['id', 'rev']);

function deref(doc, schema) {
	for (let i = 0; schema?.$ref && i < 8; i++)
		schema = schema.$ref.replace(/^#\//, '').split('/').reduce((at, key) => at?.[key.replaceAll('~1', '/')], doc);
	return schema || {};
}

/* Documents say "or null" of what may be left out. */
function choices(doc, schema) {
	const all = schema.oneOf || schema.anyOf;

	return all ? all.map((s) => deref(doc, s)).filter((s) => s.type !== 'null') : null;
}

const typesOf = (schema) => [].concat(schema.type || []).filter((t) => t !== 'null');

const refOf = (schema) => pluralOf(schema['x-skep-kind']);

/*
 * A field: {name, label, type, required, readOnly, list, ref, words, min, max, maxItems, pattern, def, help, fields}.
 * type: bool, int, word, ref, objects, or text.  list: an array of such.  fields: of the elements of 'objects'.
 */
function field(doc, name, raw, required, depth) {
	let schema = deref(doc, raw);
	const outer = { ...schema, ...raw };
	let alternatives = choices(doc, schema);

	if (alternatives?.length === 1) {
		schema = { ...schema, ...alternatives[0] };
		alternatives = null;
	}
	const f = {
		name, required, list: false, def: outer.default, help: raw.description || (raw['x-skep-kind'] ? '' : outer.description) || '', readOnly: !!outer.readOnly || READ_ONLY.has(name),
		type: 'text', ref: refOf(raw) || refOf(schema), mixed: alternatives ? alternatives.flatMap(typesOf) : [],
		example: [].concat(outer.examples || outer.example || [])[0],
	};
	const array = alternatives?.find((s) => typesOf(s).includes('array')) || (typesOf(schema).includes('array') ? schema : null);
	if (array) {
		const items = deref(doc, array.items || {});
		f.list = true;
		f.maxItems = array.maxItems;
		f.orWord = alternatives?.flatMap((s) => s.enum || (s.const === undefined ? [] : [s.const]))[0]; // trunk: "all", or a list
		f.ref ||= refOf(array.items || {}) || refOf(items);
		if (typesOf(items).includes('object') || items.properties) {
			f.type = 'objects';
			f.fields = depth < 4 ? fieldsOf(doc, items, depth + 1) : [];
			return f;
		}
		schema = choices(doc, items)?.length === 1 ? { ...items, ...choices(doc, items)[0] } : items;
		f.mixed = (choices(doc, items) || []).flatMap(typesOf);
		// elements that are text, or an object: people write the object as the text's long form
		const objects = (choices(doc, items) || []).find((s) => s.properties);
		if (objects) {
			f.type = 'objects';
			f.fields = depth < 4 ? fieldsOf(doc, objects, depth + 1) : [];
			return f;
		}
	}
	const types = [...new Set([...typesOf(schema), ...f.mixed])];
	f.words = schema.enum?.filter((w) => w !== null);
	f.min = schema.minimum;
	f.max = schema.maximum;
	f.maxLength = schema.maxLength;
	f.pattern = schema.pattern;
	f.numeric = types.includes('integer');
	if (f.ref)
		f.type = 'ref';
	else if (f.words)
		f.type = 'word';
	else if (types.length === 1 && types[0] === 'boolean')
		f.type = 'bool';
	else if (types.length === 1 && types[0] === 'integer')
		f.type = 'int';
	return f;
}

function fieldsOf(doc, schema, depth = 0) {
	const required = new Set(schema.required || []);

	return Object.entries(schema.properties || {}).map(([name, s]) => field(doc, name, s, required.has(name), depth));
}

/* The schema of an object as it is written. */
const bodySchema = (doc, plural) => deref(doc, doc.components?.schemas?.[kindOf(plural)]);

let known;

/* {PLURAL: [fields]} */
export function schemas() {
	known ||= openapi().then((doc) => Object.fromEntries(PLURALS.map((plural) => [plural, fieldsOf(doc, bodySchema(doc, plural))]))).catch((e) => {
		known = undefined;
		throw e;
	});
	return known;
}

/* Which fields of which kinds refer to objects of this kind: [{plural, field}], with dots for what is inside: "rules.remote_group". */
export function referrers(all, plural) {
	const found = [];
	const look = (other, fields, prefix) => {
		for (const f of fields) {
			if (f.type === 'ref' && f.ref === plural)
				found.push({ plural: other, field: prefix + f.name, list: f.list });
			if (f.type === 'objects')
				look(other, f.fields, `${prefix}${f.name}.`);
		}
	};

	for (const other of PLURALS)
		look(other, all[other] || [], '');
	return found;
}
