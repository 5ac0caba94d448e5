/**
 * A permission check, for `definePlatform({ ...permissions(rule) })`. `rule` decides for the user who asked for the run;
 * an action asks with `ctx.platform.call('permissions.check', { scope })`.
 */
export function permissions(rule: (userId: string, scope: string, room: string) => boolean | Promise<boolean>): {
  readonly 'permissions.check': (
    input: { readonly scope: string },
    call: { readonly userId: string; readonly room: string },
  ) => Promise<{ readonly allowed: boolean }>;
} {
  return {
    'permissions.check': async ({ scope }, { userId, room }) => ({ allowed: await rule(userId, scope, room) }),
  };
}
