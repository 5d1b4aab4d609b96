/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a dead agent left on this machine, for people. */
#ifndef HG_TOOLS_REMAINS_H
#define HG_TOOLS_REMAINS_H

/* Says on stderr whether this node's data path still serves; nothing when none is loaded. */
void hg_remains_tell(void);

#endif
