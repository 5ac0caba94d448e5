import { defineFlow, pipeline, type FlowContext } from 'cotable/relay';
import { z } from 'zod';

// Server code: a page is known not to have it by the text.
const shout = async (text: string, ctx: FlowContext) => {
  await ctx.addItem({ role: 'assistant', text: `${text}, said by a block` }).done();
  return { length: text.length };
};

// Exported without a type of its own: a user's declaration files must be able to name what inference puts there.
export const flow = defineFlow({
  kind: 'loud',
  actions: {
    shout: {
      inputSchema: z.object({ text: z.string().default('hello') }),
      block: pipeline((input: { text: string }) => input.text.toUpperCase(), shout),
      userMessage: (input) => input.text,
    },
  },
});
