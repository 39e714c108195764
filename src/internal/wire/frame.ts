/** The lengths and offsets of a datagram's parts, in bytes, and the type that more than the codec knows. */

/** Of a call's id. */
export const idBytes = 20

/** Of a call's id, behind the type. It is read where it stands: a view of it would cost as much as finding the call. */
export const idOffset = 1

/** Of what precedes the body: the type and the id. */
export const headerBytes = idOffset + idBytes

/** Of the longest body. */
export const maxBodyBytes = 8192

/** Of the longest datagram. */
export const maxDatagramBytes = headerBytes + maxBodyBytes

/** The first byte of a request to all members of a group. */
export const gatherType = 6
