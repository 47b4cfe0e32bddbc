# SPDX-License-Identifier: Apache-2.0
# docs/topology.md -> what each field means, for api/openapi_shape.c: section, field and text of each row of its tables, tabs between.
BEGIN { FS = " *\\| *"; print "" }
/^##+ / { section = $0; sub(/^#+ /, "", section) }
/^\| `/ {
	field = $2; text = $5; def = $4
	gsub(/`/, "", field)
	if (def != "" && def !~ /^(required|given|`.*`)$/)
		text = text (text == "" ? "" : text ~ /\.$/ ? " " : ". ") "Default: " def
	if (text != "")
		print section "\t" field "\t" text
}
