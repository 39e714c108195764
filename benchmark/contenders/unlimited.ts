/** Limits that nothing meets. */
export const unlimited = {
  calls: Infinity,
  handlers: Infinity,
  handlersPerSender: Infinity,
  requestsPerSecond: Infinity,
  replyBytesPerSecond: Infinity
}
