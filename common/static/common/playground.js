// The playground: Swagger UI, extended by plugins. https://swagger.io/docs/open-source-tools/swagger-ui/customization/plugin-api/

import { filtering } from "./playground/filter.js";
import { startGuides } from "./playground/guides.js";
import { filling, learn } from "./playground/ids.js";
import { translateLabels } from "./playground/labels.js";
import { options, place } from "./playground/page.js";
import { confirmed } from "./playground/production.js";
import { sampling } from "./playground/samples.js";
import { adopt, focusLogin, serverOf, sessionEnded, start } from "./playground/session.js";

const nothing = () => () => null;

// Every operation can be sent at once, so nothing has to be switched on.
const reset = ({ React }) => ({ hasUserEditedBody, onResetClick }) =>
  hasUserEditedBody ? React.createElement("button", { className: "btn reset", onClick: onResetClick }, "Reset") : null;

// The page has its own server, login and filter. The introduction of the document is in the guides.
const replaced = (system) => ({
  wrapComponents: {
    InfoContainer: nothing,
    ServersContainer: nothing,
    AuthorizeBtnContainer: nothing,
    FilterContainer: nothing,
    curl: nothing,
    TryItOutButton: () => reset(system),
    authorizeOperationBtn: (Original) => (props) =>
      system.React.createElement(Original, { ...props, onClick: focusLogin }),
  },
});

const dataOf = (response) => {
  try {
    return JSON.parse(response.text).data;
  } catch {
    return null;
  }
};

const read = (response) => {
  const server = response.loadSpec ? undefined : serverOf(response.url);
  const isLogin = server && new URL(response.url).pathname.endsWith(options.login);
  if (server && response.ok) {
    const data = dataOf(response);
    learn(server, data);
    if (isLogin && data?.accessToken) {
      adopt(server, data);
    }
  }
  if (server && response.status === 401 && !isLogin) {
    sessionEnded(server);
  }
  return response;
};

const ui = SwaggerUIBundle({
  url: options.document,
  domNode: place,
  presets: [SwaggerUIBundle.presets.apis],
  plugins: [replaced, filtering, filling, sampling],
  layout: "BaseLayout",
  validatorUrl: null, // its badge would ask a server on the internet
  deepLinking: true,
  displayOperationId: true,
  displayRequestDuration: true,
  defaultModelsExpandDepth: 0,
  filter: "", // by the page's own field
  tryItOutEnabled: true,
  requestInterceptor: confirmed,
  responseInterceptor: read,
  showMutatedRequest: false, // a cancelled call has none, and Swagger UI fails to draw its answer
  onComplete: () => {
    start(ui);
    startGuides(ui);
  },
});

translateLabels(place);
