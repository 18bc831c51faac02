SwaggerUIBundle({
  dom_id: "#swagger-ui",
  url: "openapi.json",
  deepLinking: true,
  docExpansion: "list",
  persistAuthorization: false,
  validatorUrl: null, // it would send the document to validator.swagger.io
});
