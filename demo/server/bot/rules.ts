import { setTimeout as delay } from 'node:timers/promises';
import type { Bot, BotContext } from './bot.ts';
import { addItems, finishItem, showItems } from './list.ts';
import { summarise } from './summary.ts';

const HELP = `I follow a few rules and keep a list. No AI model is behind me. You can ask:
@bot summary – what was said here
@bot add milk, eggs – puts both on the list
@bot list – shows it
@bot done milk – ticks it off`;

const UNKNOWN = 'That is not among the few things I know. ';

/** Says what it did; `rest` is what stands behind its name. */
type Rule = (ctx: BotContext, rest: string) => string | Promise<string>;

const rules: Readonly<Record<string, Rule>> = {
  help: () => HELP,
  summary: summarise,
  add: addItems,
  list: showItems,
  done: finishItem,
};

/** A bot without a model. Says a word every `pace` milliseconds. */
export function ruleBot(pace: number): Bot {
  return {
    label: 'rule-based, no AI model',
    async *answer(ctx, question) {
      const [, command = '', rest = ''] = /^(\S*)\s*(.*)$/s.exec(question.trim()) ?? [];
      const name = command.toLowerCase() || 'help';
      const rule = Object.hasOwn(rules, name) ? rules[name] : undefined;
      const text = rule ? await rule(ctx, rest.trim()) : UNKNOWN + HELP;
      for (const word of text.match(/\S+\s*/g) ?? []) {
        await delay(pace, undefined, { signal: ctx.signal });
        yield word;
      }
    },
  };
}
