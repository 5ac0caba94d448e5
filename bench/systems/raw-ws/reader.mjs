export const addressOf = (url) => url;
export const greet = () => [];
/** There is no answer to wait for: whoever is connected is in. */
export const isWelcome = undefined;
export const deliveriesIn = () => 1;
