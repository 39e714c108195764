/**
 * How fast the cluster notices that a front node is gone. Effect's own intervals are made for larger ones, and leave the items
 * of a node that was killed without an owner for half a minute.
 */
import type { ShardingConfig } from "effect/cluster"

export const intervals: Partial<ShardingConfig.ShardingConfig["Service"]> = {
  // Few enough that one statement locks them all.
  shardsPerGroup: 60,
  // A node that was silent for so long has lost its items. One whose process stops for longer, for the sake of its disk or its
  // collector, does so, too: what it had begun is rolled back, and run by the next owner.
  shardLockExpiration: "4 seconds",
  shardLockRefreshInterval: "1 second",
  refreshAssignmentsInterval: "500 millis",
  // Each node asks the others so often. With very many nodes that is much.
  runnerHealthCheckInterval: "1 second",
  // What is in the database and nobody was told of is found by then: a query of each node.
  entityMessagePollInterval: "500 millis",
  entityReplyPollInterval: "100 millis",
  entityTerminationTimeout: "5 seconds"
}
