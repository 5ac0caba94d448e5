import { serve as serveDeltas } from '../y-websocket/server.mjs';

export async function serve() {
  const { url, documentOf } = await serveDeltas();
  return {
    url,
    /** The simpler way to stream through awareness: the whole text so far, again with each piece. */
    stream(room, produce) {
      let text = '';
      return produce((piece) => {
        text += piece;
        documentOf(room).awareness.setLocalState({ text });
      });
    },
  };
}
