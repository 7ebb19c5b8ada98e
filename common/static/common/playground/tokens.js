// One token for each server. They stay in the tab, so that a token of Production is not written to the disk.

const KEY = "playground.tokens";

const read = () => JSON.parse(sessionStorage.getItem(KEY) || "{}");

// {accessToken, refreshToken, name, ended}; the last three may be missing.
export const tokenOf = (server) => read()[server];

// The token that the server still accepts, as far as is known.
export const usableToken = (server) => {
  const kept = tokenOf(server);
  return kept?.ended ? undefined : kept;
};

export const keepToken = (server, kept) => {
  sessionStorage.setItem(KEY, JSON.stringify({ ...read(), [server]: kept }));
};

export const dropToken = (server) => {
  const { [server]: _, ...others } = read();
  sessionStorage.setItem(KEY, JSON.stringify(others));
};

// Swagger UI sends one token to every server, so it is given that of the selected one.
export const useToken = (ui, server) => {
  const schemes = ui.specSelectors.securityDefinitions();
  const name = schemes?.findKey((scheme) => scheme.get("scheme") === "bearer");
  if (!name) {
    return;
  }
  const kept = usableToken(server);
  if (kept) {
    ui.authActions.authorize({ [name]: { name, schema: schemes.get(name), value: kept.accessToken } });
  } else if (ui.authSelectors.authorized()?.size) {
    ui.authActions.logout([name]);
  }
};
