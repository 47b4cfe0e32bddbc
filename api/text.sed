# SPDX-License-Identifier: Apache-2.0
# A text file -> C string literals, one of each line.
s/[\\"]/\\&/g
s/.*/"&\\n"/
