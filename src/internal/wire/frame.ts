/** The lengths of a datagram's parts, in bytes. */

/** Of a call's id. */
export const idBytes = 20

/** Of what precedes the body: the type and the id. */
export const headerBytes = 1 + idBytes

/** Of the longest body. */
export const maxBodyBytes = 8192

/** Of the longest datagram. */
export const maxDatagramBytes = headerBytes + maxBodyBytes
