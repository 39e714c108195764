/** grpc-js: HTTP/2 over TCP. The messages are plain bytes, so that no protobuf compiler is needed. */
import { credentials, makeGenericClientConstructor, Server, ServerCredentials } from "@grpc/grpc-js"
import type { sendUnaryData, ServerUnaryCall, ServiceDefinition } from "@grpc/grpc-js"
import { callbacks } from "../harness/load.ts"
import type { Contender } from "../harness/worker.ts"
import { argumentBytes, replyBytes } from "./workload.ts"

const asItIs = (bytes: Buffer): Buffer => bytes

const service: ServiceDefinition = {
  forty: {
    path: "/benchmark.Forty/forty",
    requestStream: false,
    responseStream: false,
    requestSerialize: asItIs,
    requestDeserialize: asItIs,
    responseSerialize: asItIs,
    responseDeserialize: asItIs
  }
}

export const contender: Contender = {
  serve: () => {
    const server = new Server()
    server.addService(service, {
      forty: (_: ServerUnaryCall<Buffer, Buffer>, reply: sendUnaryData<Buffer>) => reply(null, replyBytes)
    })
    return new Promise((resolve, reject) => {
      server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) => {
        if (error === null) resolve(port)
        else reject(error)
      })
    })
  },
  connect: async (port) => {
    const Client = makeGenericClientConstructor(service, "Forty")
    const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure())
    return callbacks((done) => {
      client["forty"]!(argumentBytes, (error: unknown) => {
        if (error === null) done()
      })
    })
  }
}
