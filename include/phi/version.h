/* The version of libphi that these headers belong to. */
#ifndef PHI_VERSION_H
#define PHI_VERSION_H

#define PHI_VERSION_MAJOR 0
#define PHI_VERSION_MINOR 1
#define PHI_VERSION_PATCH 0

#endif
