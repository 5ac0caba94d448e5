import type { Bot } from './bot.ts';
import { modelBot } from './model.ts';
import { ruleBot } from './rules.ts';

/** The bot that the environment provides for: a model when an endpoint or a key is named there, rules otherwise. */
export function chooseBot(env: NodeJS.ProcessEnv, pace: number): Bot {
  const { OPENAI_BASE_URL: url, OPENAI_API_KEY: key, OPENAI_MODEL: model } = env;
  if (!url && !key) return ruleBot(pace);
  return modelBot({ url: url || 'https://api.openai.com/v1', key, model: model || 'gpt-4o-mini' });
}
