// An agency that receives letters by its own SQS queue: node recipient.mjs [--once]
// With --once it ends when nothing waits any more.
import {
  DeleteMessageCommand,
  ReceiveMessageCommand,
  SendMessageCommand,
  SQSClient,
} from "@aws-sdk/client-sqs";
import { recipient as agency, setting } from "./settings.mjs";

const once = process.argv.includes("--once");
const QueueUrl = setting("QUEUE_URL");
const replies = setting("REPLY_QUEUE_URL", "");
const sqs = new SQSClient({});

/** Through Tra's queue for replies, where that is how this agency answers. */
const byQueue = () => async (kind, _deliveryId, jws) => {
  const MessageBody = JSON.stringify({ [kind]: jws });
  await sqs.send(new SendMessageCommand({ QueueUrl: replies, MessageBody }));
};

const recipient = await agency(replies ? byQueue : undefined);
let stopping = false;
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => (stopping = true));

while (!stopping) {
  const { Messages: messages = [] } = await sqs.send(
    new ReceiveMessageCommand({
      QueueUrl,
      MaxNumberOfMessages: 10,
      WaitTimeSeconds: once ? 1 : 20,
      MessageSystemAttributeNames: ["SentTimestamp"],
    }),
  );
  for (const message of messages) await handle(message);
  if (once && !messages.length) break;
}

/** The message is deleted when all is done. If anything goes wrong it stays, and comes again. */
async function handle({ Body: text, Attributes: attributes, ReceiptHandle }) {
  try {
    const done = await recipient.take(text, new Date(Number(attributes.SentTimestamp)));
    await sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }));
    console.log(JSON.stringify(done));
  } catch (error) {
    console.error(JSON.stringify({ did: "nothing yet", why: error.message }));
  }
}
