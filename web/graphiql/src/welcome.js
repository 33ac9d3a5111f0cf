// The content of the first tab for a new user. An address that ends in `#document=ID` sets the document of the
// examples.

const named = new URLSearchParams(location.hash.slice(1)).get('document');
const id = /^[0-9a-f-]{36}$/.test(named) ? named : '...';

export const welcome = `# The GraphQL API of coscribe
#
# 1. Sign in with one of these. The page takes the token
#    from the answer and uses it from then on.
#
#    mutation {
#      register(email: "ana@example.com", name: "Ana",
#        password: "a long password") { token }
#    }
#    mutation {
#      login(email: "ana@example.com",
#        password: "a long password") { token }
#    }
#
#    You can also paste a token into the field above, or
#    add it to the address: /graphql#token=...
#
# 2. Create a document:
#
#    mutation {
#      createDocument(title: "Project Alpha") { id }
#    }
#
# 3. Subscribe to it here, and edit it in another tab or
#    browser, as yourself or as another user with access:
#
#    subscription {
#      documentChanged(
#        documentId: "${id}"
#      ) {
#        kind version title content author { name }
#      }
#    }
#
# Ctrl-Enter runs the operation at the cursor. The book
# icon on the left opens the documentation of all fields.

query {
  documents {
    nodes {
      id
      title
    }
  }
}
`;
