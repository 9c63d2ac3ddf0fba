// A plugin in JavaScript: what a reading plugin must be, and no more. Names are those of schemas/plugin.wit in camelCase,
// an absent option is undefined, and an error is thrown as the record `problem`.
import { log } from 'sluice:plugin/host@0.1.0';

const text = (description) => ({ type: 'string', description });
const object = (properties) => ({ type: 'object', properties, required: Object.keys(properties), additionalProperties: false });

const problem = (code, message, path) => ({ code, message, retryable: false, applied: 'no', path, details: undefined });

export const plugin = {
  describe: () => ({
    name: 'javascript',
    version: '0.1.0',
    summary: 'Greet people, in JavaScript',
    powers: [],
    actions: [
      {
        name: 'javascript.greet',
        summary: 'Say hello to somebody',
        effect: 'read',
        idempotent: true,
        gate: undefined,
        ephemeral: false,
        input: JSON.stringify(object({ name: text('the name of who is greeted') })),
        output: JSON.stringify(object({ text: text('the greeting') })),
        abilities: { check: false, preview: false, reconcile: false },
        permissions: [],
        examples: [
          { summary: 'Ana', with: JSON.stringify({ name: 'Ana' }), output: JSON.stringify({ text: 'hello, Ana' }) },
        ],
        revision: 1,
      },
    ],
  }),

  run: (action, call) => {
    if (action !== 'greet') throw problem('no_such_action', `there is no action ${action}`);
    const { name } = JSON.parse(call.with);
    if (name === '') throw problem('bad_input', 'a greeting needs somebody to greet', '/name');
    log('info', `greeting ${name}`);
    return { output: JSON.stringify({ text: `hello, ${name}` }), judgement: undefined };
  },
};
