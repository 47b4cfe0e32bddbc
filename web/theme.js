// SPDX-License-Identifier: Apache-2.0
// Before the first paint: the theme that was chosen.  None: that of the system.
{
	const theme = localStorage.getItem('skep-theme');

	if (theme === 'dark' || theme === 'light')
		document.documentElement.dataset.theme = theme;
}
