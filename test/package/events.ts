import { defineEvents } from 'cotable/relay';
import { z } from 'zod';

// Exported without a type of its own, too. Its handler is the server's alone: a bundle is searched for the text.
export const events = defineEvents({}, (event) => ({
  'chat/shout': {
    v1: event({
      input: z.object({ text: z.string() }),
      stream: { kind: 'text' },
      server: ({ clientInput }) => ({ status: 'success', text: `${clientInput.text}, said by a handler` }),
    }),
  },
}));
